"""What goes over HTTP, one file per resource; pydantic lives here and in the settings only."""
