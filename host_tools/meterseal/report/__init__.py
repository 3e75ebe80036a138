"""Reports as people and machines read them: JSON, CSV, HTML, PDF and spreadsheet."""
