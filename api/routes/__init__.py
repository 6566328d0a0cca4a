"""HTTP under `/api/v1`: one file per resource, each handler parse, call, shape; no logic, no SQL."""
