"""The signatures, worked out by hand once: a change here would break every receiver."""

from datetime import UTC, datetime

from subscriptions.core.notification_signature import signature_headers

SECRET = "a secret of thirty-two characters"
AT = datetime(2026, 8, 1, 12, 0, 0, 999_000, tzinfo=UTC)


def test_the_four_headers() -> None:
    # printf '{}' | openssl dgst -sha256 -hmac "$SECRET", and the same over 'm1.1785585600.{}'
    assert signature_headers(SECRET, "m1", AT, b"{}") == [
        (
            "X-Hub-Signature-256",
            "sha256=ffe35ec3d38dfbd42a624d0bc1d05cc5a429ca44a4b0221aaa88c699a72de701",
        ),
        ("webhook-id", "m1"),
        ("webhook-timestamp", "1785585600"),
        ("webhook-signature", "v1,bVAqY9RD0HPA1bcjaiEw/ffXKFQ0ZSsvCHl8hvVFCXg="),
    ]


def test_every_part_is_signed() -> None:
    def signed(
        secret: str = SECRET, id_: str = "m1", at: datetime = AT, body: bytes = b"{}"
    ) -> str:
        return dict(signature_headers(secret, id_, at, body))["webhook-signature"]

    others = {
        signed(secret=SECRET + "x"),
        signed(id_="m2"),
        signed(at=datetime(2026, 8, 1, 12, 0, 1, tzinfo=UTC)),
        signed(body=b"{ }"),
        signed(),
    }
    assert len(others) == 5
