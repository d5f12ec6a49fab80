"""What goes out: rules become alerts, alerts reach people, changes reach subscribers."""
