"""The language every party is understood in: values, messages, code lists, case states, time limits, one
byte form."""
