"""The viewer of recordings, beside the server that makes them."""

from .server import PASSWORD, free_port

USER = "auditor"


def settings(password_hash: str, access, **changes) -> dict:
    """A `web` block, for whoever adds it to a configuration."""
    users = {
        USER: {"password": password_hash, "role": "auditor"},
        "boss": {"password": password_hash, "role": "admin"},
    }
    return {"enable": True, "listen": f"127.0.0.1:{free_port()}", "users": users, "accessLog": str(access), **changes}


class Viewer:
    """A server whose recordings can be looked at."""

    def __init__(self, server):
        self.server = server
        self.origin = f"http://{server.config['web']['listen']}"
        self.user, self.password = USER, PASSWORD
