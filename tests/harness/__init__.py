"""What the end-to-end tests share: the server under test, its logs, clients, and what they saw."""
