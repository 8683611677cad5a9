"""The live page, /healthz, /metrics and /api over HTTP/1.1, read-only. A DaemonView gives the values."""

from .client_limits import ClientLimits
from .daemon_view import DaemonView
from .server import Server

__all__ = ["ClientLimits", "DaemonView", "Server"]
