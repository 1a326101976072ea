"""From records to channels: alignment, estimates with their variance, predictions."""
