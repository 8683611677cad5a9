"""The live page, /healthz, /metrics and /api over HTTP/1.1. Reads only; knows the daemon through a View."""

from .daemon_view import View
from .limits import Limits
from .server import Server

__all__ = ["Limits", "Server", "View"]
