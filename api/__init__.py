"""Who commands: the FastAPI control plane, accounts, audit, process wiring. The composition root."""
