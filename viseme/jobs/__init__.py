"""One lip-sync from clip to clip: plan, buy once, follow, fetch."""
