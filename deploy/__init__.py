"""Everything that puts the suite on a machine: topics, image, the platform on one machine, the demo."""
