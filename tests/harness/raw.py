"""A client that sends whatever message it is told to, in whatever state, and keeps the answers."""

import queue
from functools import partial

import paramiko

SERVICE_REQUEST, SERVICE_ACCEPT, USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS = 5, 6, 50, 51, 52
USERAUTH_PK_OK, GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 60, 80, 81, 82
OPEN, OPEN_CONFIRMATION, OPEN_FAILURE, WINDOW_ADJUST, DATA, EXTENDED_DATA = 90, 91, 92, 93, 94, 95
EOF, CLOSE, REQUEST, SUCCESS, FAILURE = 96, 97, 98, 99, 100


def message(number: int, *fields) -> paramiko.Message:
    """An SSH message: booleans, 32-bit integers and strings (RFC 4251, 5) after its number."""
    made = paramiko.Message()
    made.add_byte(bytes([number]))
    for field in fields:
        if isinstance(field, bool):
            made.add_boolean(field)
        elif isinstance(field, int):
            made.add_int(field)
        else:
            made.add_string(field)
    return made


class Raw(paramiko.Transport):
    """A connection whose keys are exchanged; everything after that is up to the test."""

    def __init__(self, server):
        super().__init__(("127.0.0.1", server.port))
        self.arrived: queue.Queue = queue.Queue()
        self.start_client(timeout=30)
        for number in range(SERVICE_ACCEPT, 101):
            if number == SERVICE_ACCEPT or number >= USERAUTH_FAILURE:
                self._handler_table[number] = partial(self._keep, number)

    def _keep(self, number: int, body: paramiko.Message) -> None:
        self.arrived.put((number, body))

    def send(self, number: int, *fields) -> None:
        """Sends one message; what the server thinks of it shows elsewhere."""
        try:
            self._send_message(message(number, *fields))
        except (OSError, EOFError, paramiko.SSHException):
            pass  # the server has hung up

    def wait(self, *numbers: int, timeout: float = 30) -> paramiko.Message:
        """The next message with one of these numbers; others before it are passed over."""
        return self.next(*numbers, timeout=timeout)[1]

    def next(self, *numbers: int, timeout: float = 30) -> tuple[int, paramiko.Message]:
        while True:
            number, body = self.arrived.get(timeout=timeout)
            if number in numbers:
                return number, body

    def begin(self) -> None:
        """Asks for the service that logs in."""
        self.send(SERVICE_REQUEST, "ssh-userauth")
        self.wait(SERVICE_ACCEPT)

    def signed(self, user: str, key: paramiko.PKey) -> None:
        """Sends a request to log in that the key has signed (RFC 4252, 7)."""
        fields = (user, "ssh-connection", "publickey", True, key.get_name(), key.asbytes())
        covered = paramiko.Message()
        covered.add_string(self.session_id)
        covered.add_bytes(message(USERAUTH_REQUEST, *fields).asbytes())
        self.send(USERAUTH_REQUEST, *fields, key.sign_ssh_data(covered.asbytes(), key.get_name()).asbytes())

    def offered(self, user: str, key: paramiko.PKey) -> None:
        """Asks whether the key would do."""
        self.send(USERAUTH_REQUEST, user, "ssh-connection", "publickey", False, key.get_name(), key.asbytes())

    def log_in(self, user: str, key: paramiko.PKey) -> None:
        self.begin()
        self.signed(user, key)
        self.wait(USERAUTH_SUCCESS)

    def open(self, window: int = 1 << 20, packet: int = 32768) -> int:
        """Opens a session channel; the server's number of it."""
        self.send(OPEN, "session", 0, window, packet)
        body = self.wait(OPEN_CONFIRMATION)
        body.get_int()
        return body.get_int()

    def request(self, channel: int, kind: str, *fields) -> None:
        """A request on a channel that wants an answer."""
        self.send(REQUEST, channel, kind, True, *fields)
