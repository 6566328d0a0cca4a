"""Who may do what: verbs, roles, passwords, tokens, the principal behind a request."""
