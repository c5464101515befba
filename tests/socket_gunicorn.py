"""gunicorn's settings for the test application: the real worker class, with short limits."""

import os

from gunicorn_worker import HarkWorker


class Worker(HarkWorker):
    """Impatient, so that the tests need not wait."""

    header_timeout = 1.0
    body_timeout = 1.0


wsgi_app = "tests.socket_app:create_app()"
worker_class = Worker
workers = 1
threads = int(os.environ.get("SOCKET_APP_THREADS", "60"))
worker_connections = threads + 200
graceful_timeout = 10
keepalive = 5
control_socket_disable = True
loglevel = "warning"
