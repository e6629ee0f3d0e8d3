"""What builds and fetches need of the network."""

import os
import socket
import sys
from urllib.parse import urlsplit

import msgspec

from lifecycle.ca_bundle import certificates, host_bundle
from lifecycle.runtime.network import TUN, PrivateNetwork, require_tun
from lifecycle.runtime.outer import in_container
from lifecycle.runtime.spec import Network
from locald.doctor.check import Check
from locald.doctor.finding import Finding, Level, Remedy, fine, note
from locald.doctor.host import Host
from locald.doctor.trial import Step
from oci.errors import Error, HostError, RegistryError, UsageError
from oci.process import find_tool
from oci.reference import Reference
from oci.registries_conf import RegistriesConf
from oci.registry_clients import RegistryClients
from oci.userns import user_namespace

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_POLICIES = ("/etc/containers/policy.json", "/usr/share/containers/policy.json")
# From inside: the host's loopback, as slirp4netns would pass it on, and a socket without a file.
_GATEWAY = "10.0.2.2"
_CONNECT = """\
import socket, sys
port, name = int(sys.argv[1]), sys.argv[2]
for family, address in ((2, ("127.0.0.1", port)), (2, (sys.argv[3], port)), (1, "\\0" + name)):
    s = socket.socket(family)
    s.settimeout(0.3)
    try:
        s.connect(address)
    except OSError:
        continue
    print(address)
"""


def tun(host: Host) -> Finding:
    """The device that private networks are made of."""
    try:
        require_tun(host.root / TUN.relative_to("/"))
    except HostError as error:
        if host.network is not Network.PRIVATE:
            return note(f"{error.message}; builds use --network {host.network}")
        shared = in_container() and host.outcome.works
        level = Level.WARN if shared else host.unless(Step.NETWORK)
        told = host.told(level, error)
        commands = (
            host.distribution.root("modprobe tun"),
            host.distribution.root(f"chmod 0666 {TUN}"),
        )
        text = "in a container: start the outer one with --device /dev/net/tun"
        if shared:
            text += "; until then builds share this container's network"
        return Finding(
            level=level,
            symptom=told.symptom,
            remedy=Remedy(text=text, commands=() if in_container() else commands),
        )
    return fine("can be opened")


def private_network(host: Host) -> Finding:
    """Start one, and try to reach this host's loopback from it."""
    if host.namespace_error is not None or host.trial is None:
        return note("not tried: there are no user namespaces, or there is no work folder")
    if find_tool("slirp4netns") is None:
        return note("not tried: slirp4netns is not installed")
    if not os.access(TUN, os.R_OK | os.W_OK):
        return note(f"not tried: {TUN} cannot be opened")
    folder = host.trial.place / "network"
    folder.mkdir()
    name = f"locald-doctor-{folder.parent.name}"
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as loopback,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as abstract,
            user_namespace(host.runner, ids=None) as namespace,
            PrivateNetwork(host.runner, namespace, folder) as network,
        ):
            loopback.bind(("127.0.0.1", 0))
            loopback.listen()
            abstract.bind(f"\0{name}")
            abstract.listen()
            port = str(loopback.getsockname()[1])
            script = (sys.executable, "-I", "-S", "-c", _CONNECT, port, name, _GATEWAY)
            reached = namespace.run("nsenter", f"--net={network.path}", "--", *script).text
    except Error as error:
        if host.network is not Network.PRIVATE:
            return note(f"{error.message}; builds use --network {host.network}")
        return host.told(host.unless(Step.NETWORK), error)
    if reached.strip():
        return Finding(
            level=Level.WARN,
            symptom="from a private network this host's own services can be reached",
            details=tuple(reached.split("\n")[:3]),
            remedy=Remedy(text="build with --network none, and report it with these lines"),
        )
    return fine("starts, and does not reach this host's own services")


def certificate_authorities(host: Host) -> Finding:
    """The bundle that fetches and builds trust."""
    named = host.environ.get("SSL_CERT_FILE", "")
    bundle = host_bundle(None)
    if named and str(bundle) != named:
        return Finding(
            level=Level.WARN,
            symptom=f"SSL_CERT_FILE is {named}, which cannot be read",
            remedy=Remedy(commands=("unset SSL_CERT_FILE",)),
        )
    if bundle is None:
        return Finding(
            level=Level.WARN,
            symptom="this host has no certificate authorities: registries cannot be trusted",
            remedy=Remedy(tools=("ca-certificates",)),
        )
    try:
        count = len(certificates(bundle))
    except OSError as error:
        count, why = 0, f": {error.strerror}"
    else:
        why = ""
    if count == 0:
        return Finding(
            level=Level.WARN,
            symptom=f"{bundle} holds no certificate{why}",
            remedy=Remedy(tools=("ca-certificates",)),
        )
    return fine(f"{count} in {bundle}")


def proxies(host: Host) -> Finding:
    """Are they addresses? Passwords in them are never shown."""
    set_ones = []
    for variable in _PROXIES:
        value = host.environ.get(variable, "")
        if not value:
            continue
        proxy_host = _host(value)
        if not proxy_host:
            return Finding(
                level=Level.WARN,
                symptom=f"{variable} is no address of a proxy",
                remedy=Remedy(text=f"set {variable} to http://HOST:PORT, or unset it"),
            )
        set_ones.append(f"{variable} {proxy_host}")
    return fine(", ".join(set_ones) or "none")


def _host(proxy: str) -> str:
    """The host of a proxy's address; empty when it is none. Never its password."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return (parts.hostname or "") if parts.port != 0 else ""
    except ValueError:
        return ""


def policy(host: Host) -> Finding:
    """skopeo copies nothing without one, not even from a folder."""
    home = host.environ.get("HOME", "")
    own = f"{home}/.config/containers/policy.json"
    for place in (*((own,) if home else ()), *_POLICIES):
        text = host.text(place)
        if not text:
            continue
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Finding(
                level=host.unless(Step.IMAGE),
                symptom=f"{place}: {error}",
                remedy=Remedy(text="its form is described in containers-policy.json(5)"),
            )
        return fine(place)
    return Finding(
        level=host.unless(Step.IMAGE),
        symptom="there is no /etc/containers/policy.json, without which skopeo copies nothing",
        remedy=Remedy(tools=("policy.json",)),
    )


def registries(host: Host) -> Finding:
    """registries.conf, as builds read it."""
    try:
        conf = RegistriesConf.load(environ=host.environ)
    except UsageError as error:
        return host.told(Level.WARN, error)  # what is in the store can be built with
    count = len(conf.entries)
    return fine(f"{count} registries have rules of their own" if count else "no rules of their own")


def reachable(image: Reference, host: Host) -> Finding:
    """Ask its registry for an image, as a build would: mirrors, login and certificates included."""
    try:
        with RegistryClients(host.registries) as clients:
            manifest = clients.manifest(image)
    except RegistryError as error:
        return host.told(Level.FAIL, error)
    if manifest is None:
        return Finding(
            level=Level.FAIL, symptom=f"{image.registry} answers, and does not have {image}"
        )
    return fine(f"has {image.familiar}")


NETWORK_CHECKS = (
    Check(name="tun", title="/dev/net/tun", probe=tun),
    Check(name="private-network", title="Private network", probe=private_network),
    Check(name="certificates", title="Certificate authorities", probe=certificate_authorities),
    Check(name="proxies", title="Proxies", probe=proxies),
    Check(name="policy", title="policy.json of skopeo", probe=policy),
    Check(name="registries", title="registries.conf", probe=registries),
)
