"""The live page, /healthz, /metrics and /api over HTTP/1.1. Reads only; knows the daemon through a View."""

from .limits import Limits
from .server import Server
from .view import View

__all__ = ["Limits", "Server", "View"]
