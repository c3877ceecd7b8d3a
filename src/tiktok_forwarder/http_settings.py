"""The settings of the HTTP server: where it listens, who may connect, and what bounds requests."""

from typing import Annotated, Final

from msgspec import Struct

from tiktok_forwarder.browser.rate_limit import BrowserLimits
from tiktok_forwarder.browser.site_script import DEFAULT_SCRIPT_PATH
from tiktok_forwarder.setting_values import Setting
from tiktok_forwarder.web.http_limits import HttpLimits
from tiktok_forwarder.web.trusted_proxies import DEFAULT_TRUSTED_PROXIES

# The defaults of these settings are those of the parts that use them.
_LIMITS: Final = HttpLimits()
_BROWSERS: Final = BrowserLimits()


class HttpSettings(Struct, frozen=True):
    """The part of `Settings` that concerns the HTTP server."""

    host: Annotated[
        str, Setting("127.0.0.1", "IP address to listen on. Other than loopback, put a proxy with TLS in front.")
    ]
    port: Annotated[int, Setting(8090, "Port to listen on; 0 picks a free port.", 0, 65535)]
    console_url: Annotated[
        str,
        Setting(
            "",
            "URL of the console behind a proxy with TLS, such as https://forwarder.example.com; empty: the console is "
            "available on this machine only.",
            kind="https_url",
        ),
    ]
    console_plain_http: Annotated[
        str,
        Setting(
            "off",
            "Plain HTTP to the console from other machines: off, or localhost for a container whose port is published "
            "on the browser's machine: from private addresses, as http://localhost. Ignored if console_url is set.",
            choices=("off", "localhost"),
        ),
    ]
    trusted_proxies: Annotated[
        str,
        Setting(
            DEFAULT_TRUSTED_PROXIES,
            "Networks of the proxies in front of the service, whose X-Forwarded-For header names the client; empty: "
            "none.",
            kind="networks",
        ),
    ]
    script_path: Annotated[
        str,
        Setting(
            DEFAULT_SCRIPT_PATH,
            "Path of the script that sites load to send events. Ad blockers go by names: choose your own.",
            kind="script_path",
        ),
    ]
    max_http_connections: Annotated[
        int,
        Setting(
            _LIMITS.max_http_connections,
            "Maximum number of HTTP connections; at the limit, a new one replaces the one that is silent longest.",
            1,
        ),
    ]
    max_http_connections_per_address: Annotated[
        int,
        Setting(
            _LIMITS.max_http_connections_per_address,
            "Maximum number of HTTP connections per IP address or IPv6 /64 network, except trusted_proxies.",
            1,
        ),
    ]
    max_request_line_bytes: Annotated[
        int, Setting(_LIMITS.max_request_line_bytes, "Maximum size of a request's URL; beyond it, HTTP 414.", 256)
    ]
    max_header_bytes: Annotated[
        int, Setting(_LIMITS.max_header_bytes, "Maximum size of a request's headers; beyond it, HTTP 431.", 1024)
    ]
    max_headers: Annotated[
        int, Setting(_LIMITS.max_headers, "Maximum number of headers of a request; beyond it, HTTP 431.", 16)
    ]
    header_timeout_seconds: Annotated[
        float, Setting(_LIMITS.header_timeout_seconds, "Time limit for receiving the headers of a request.", 0.1)
    ]
    keep_alive_seconds: Annotated[
        float, Setting(_LIMITS.keep_alive_seconds, "Time after which an idle HTTP connection is closed.", 0.1)
    ]
    browser_requests_per_second_per_address: Annotated[
        float,
        Setting(
            _BROWSERS.requests_per_second_per_address,
            "Maximum number of requests per second from browsers, per IP address or IPv6 /64 network, on average; a "
            "burst may have as many as five seconds. Beyond it, HTTP 429.",
            0.2,
        ),
    ]
    browser_requests_per_minute_per_input: Annotated[
        float,
        Setting(
            _BROWSERS.requests_per_minute_per_input,
            "Maximum number of requests per minute to a browser input, on average; a burst may have as many as a "
            "minute. Beyond it, HTTP 429 and a warning in the log.",
            1,
        ),
    ]
