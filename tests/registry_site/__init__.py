"""The wiring: settings, the data folder, `serve`, health."""
