"""Files that someone else made: what they are known by, and what they hold. Loads no torch."""
