"""What telephone companies call: webhooks for messages, key presses and receipts."""

from subscriptions.rest.telephony import routes

__all__ = ["routes"]
