"""What goes on beside something else: pings, floods."""
import threading


class Background:
    """run() in a thread of its own from entry to exit: until it ends, or sees that `stop` is set."""

    def __init__(self):
        self.stop, self.thread = threading.Event(), threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
