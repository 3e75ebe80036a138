"""From verified energy to tonnes: methodologies as data and small exact functions."""
