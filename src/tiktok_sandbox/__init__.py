"""A TikTok simulator: event endpoints that check like TikTok and store what they received."""

from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.script import ScriptUnusable
from tiktok_sandbox.serve import run_sandbox, serve_sandbox
from tiktok_sandbox.server import Sandbox, SandboxError
from tiktok_sandbox.steps import Code, Drip, Endless, Http, Pass, Reset, Silence, Wire

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
