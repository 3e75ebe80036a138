"""`meterseal demo`: the main job on one machine, with an outage, a power cut and a forger."""
