"""How the hub runs: the supervisor and its children (valkey, api, worker N, replay), and what they share."""
