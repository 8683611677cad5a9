"""The live page, /healthz, /metrics and /api over HTTP/1.1. Reads only; knows the daemon through a View."""

from .client_limits import ClientLimits
from .daemon_view import DaemonView
from .server import Server

__all__ = ["ClientLimits", "DaemonView", "Server"]
