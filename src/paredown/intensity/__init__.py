"""The carbon intensity of electricity over time: records, forecasts, and when work would cost least."""
