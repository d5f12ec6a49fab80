"""A fake phone company, shaped like Twilio's REST interface in both directions; it rings no real
phone.

https://www.twilio.com/docs/messaging/api/message-resource
https://www.twilio.com/docs/voice/api/call-resource
"""
