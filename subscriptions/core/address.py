"""Which network addresses a notification may be sent to.

A client chooses the endpoint of its Subscription, so without this the server could be made to call
the inside of its own network (server-side request forgery, CWE-918). Only addresses of the public
internet are allowed; what the registries set apart (https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry) is refused, also where it hides inside
an IPv6 address (mapped, 6to4, Teredo, NAT64).
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE: Final = IPv6Network("::/96")


def refusal(address: str) -> str | None:
    """Return why `address` (an IP address as text) must not be called, None when it may be."""
    try:
        ip = ip_address(address.split("%", 1)[0])
    except ValueError:
        return "not an IP address"
    return _refused(ip)


def _refused(ip: IPv4Address | IPv6Address) -> str | None:
    for reason, applies in (
        ("loopback", ip.is_loopback),
        ("link-local", ip.is_link_local),
        ("unspecified", ip.is_unspecified),
        ("multicast", ip.is_multicast),
        ("private", ip.is_private),
        ("reserved", ip.is_reserved),
        ("not public", not ip.is_global),
    ):
        if applies:
            return reason
    return _refused_inside(ip) if isinstance(ip, IPv6Address) else None


def _refused_inside(ip: IPv6Address) -> str | None:
    if ip.sixtofour is not None or ip.teredo is not None or ip.ipv4_mapped is not None:
        return "an IPv4 address in disguise"
    if ip.is_site_local:
        return "site-local"
    if ip in _IPV4_COMPATIBLE or any(ip in network for network in _NAT64):
        return "an IPv4 address in disguise"
    return None
