"""Simulated meter and virtual board."""
