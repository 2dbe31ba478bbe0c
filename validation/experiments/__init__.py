"""What users run: configurations in YAML, training that can be stopped and resumed, sweeps, reports."""
