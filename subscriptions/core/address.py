"""Which network addresses a notification may be sent to.

A client chooses the endpoint of its Subscription, so without this the server could be made to call
the inside of its own network (server-side request forgery, CWE-918). Only addresses of the public
internet are allowed; what the registries set apart (https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry) is refused, also where it hides inside
an IPv6 address (mapped, 6to4, Teredo, NAT64). An operator may open networks of its own house.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE: Final = IPv6Network("::/96")
# Everything the registry has given out for the public internet; the rest is set apart or unused.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# Special though the registries, or this Python's copy of them, do not say so.
_SPECIAL: Final[tuple[Network, ...]] = (
    IPv4Network("168.63.129.16/32"),  # the host of every Azure machine
    IPv4Network("192.88.99.0/24"),  # 6to4 relays (RFC 7526)
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)


def refusal(address: str, opened: Iterable[Network] = ()) -> str | None:
    """Return why `address` (an IP address as text) must not be called, None when it may be.

    Addresses in the `opened` networks may be called, whatever they are.
    """
    try:
        ip = ip_address(address.split("%", 1)[0])
    except ValueError:
        return "not an IP address"
    if any(ip.version == network.version and ip in network for network in opened):
        return None
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
    if any(ip.version == network.version and ip in network for network in _SPECIAL):
        return "special"
    return _refused_inside(ip) if isinstance(ip, IPv6Address) else None


def _refused_inside(ip: IPv6Address) -> str | None:
    if ip.sixtofour is not None or ip.teredo is not None or ip.ipv4_mapped is not None:
        return "an IPv4 address in disguise"
    if ip.is_site_local:
        return "site-local"
    if ip in _IPV4_COMPATIBLE or any(ip in network for network in _NAT64):
        return "an IPv4 address in disguise"
    return None if ip in _GLOBAL_UNICAST else "not public"
