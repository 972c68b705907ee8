"""An address whose other end can be moved, cut, and silenced."""

import selectors
import socket
import threading


class TcpProxy:
    """Passes on what comes to `port`, to whichever `target` is set when a connection begins."""

    def __init__(self, target):
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._pairs = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._over = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Ends every connection. Gives back how many there were."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        return len(pairs)

    def silence(self):
        """From now on nothing is passed on, without a sign to either side: a cable that was pulled."""
        self._flows.clear()

    def speak(self):
        """What was held back goes on."""
        self._flows.set()

    def close(self):
        self._over = True
        self._listener.close()
        self._flows.set()
        self.cut()

    def _accept(self):
        while not self._over:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near):
        self._flows.wait()
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        pair = (near, far)
        with self._lock:
            self._pairs.add(pair)
        try:
            self._pass_on(near, far)
        except OSError:
            pass
        finally:
            with self._lock:
                self._pairs.discard(pair)
            near.close()
            far.close()

    def _pass_on(self, near, far):
        with selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in ready.select():
                    piece = key.fileobj.recv(65536)
                    self._flows.wait()
                    if not piece:
                        return
                    key.data.sendall(piece)
