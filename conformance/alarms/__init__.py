"""How good the alarms are: golden scenarios, the quality report, and the offline oracle."""
