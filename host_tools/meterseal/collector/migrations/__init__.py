"""Every schema that a released collector had, and the way from each to the next."""
