"""A stand-in of TikTok's event endpoints that checks like TikTok and remembers what it got."""

from tiktok_forwarder.sandbox.options import SandboxOptions
from tiktok_forwarder.sandbox.script import ScriptUnusable
from tiktok_forwarder.sandbox.serve import run_sandbox, serve_sandbox
from tiktok_forwarder.sandbox.server import Sandbox, SandboxError
from tiktok_forwarder.sandbox.steps import Code, Drip, Endless, Http, Pass, Reset, Silence, Wire

__all__ = [
    "Code",
    "Drip",
    "Endless",
    "Http",
    "Pass",
    "Reset",
    "Sandbox",
    "SandboxError",
    "SandboxOptions",
    "ScriptUnusable",
    "Silence",
    "Wire",
    "run_sandbox",
    "serve_sandbox",
]
