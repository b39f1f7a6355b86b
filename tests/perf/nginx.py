"""nginx as the yardstick: one worker, kept-alive connections, nothing buffered or logged."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psutil

from tests.perf.contender import BenchError, Contender, free_port, spawn, wait_until_ready

HOW_TO_INSTALL = (
    "nginx is not on the PATH, so no ratio can be measured. Install it (Debian and Ubuntu: "
    "apt-get install nginx-light; macOS: brew install nginx) and run this again; "
    "its system service is not needed."
)

# keepalive_requests is 1000 by default, towards both sides: reconnecting would be charged to nginx.
_CONFIGURATION = """
daemon off;
worker_processes 1;
{affinity}
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 64k;
  keepalive_requests 100000000;
  upstream stub {{
    server 127.0.0.1:{upstream};
    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://stub;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


def find_nginx() -> str | None:
    """The nginx to measure against, if there is one."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def nginx_version(binary: str) -> str:
    """Such as `nginx/1.22.1`."""
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
    return said.rsplit(" ", 1)[-1].strip()


def start_nginx(binary: str, upstream: int, folder: Path, core: int | None) -> Contender:
    """Start nginx in front of the stub. Raises BenchError, with its error log, if it fails."""
    folder.mkdir()
    port = free_port()
    text = _CONFIGURATION.format(
        affinity="" if core is None else f"worker_cpu_affinity {1 << core:b};",
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        upstream=upstream,
        port=port,
    )
    (folder / "nginx.conf").write_text(text)
    log = folder / "output.log"
    command = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = spawn(command, core=core, cwd=folder, log=log)
    wait_until_ready(port, "/health", process, log=log)
    workers = tuple(child.pid for child in psutil.Process(process.pid).children())
    if len(workers) != 1:
        raise BenchError(f"nginx has {len(workers)} workers, not 1; see {folder}")
    return Contender("nginx", port, process, workers)
