"""From readings and machine events to alerts, inside the transaction that stores them."""
