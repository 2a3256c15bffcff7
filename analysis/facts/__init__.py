"""What a page says of a study, worked out: one plain record, without pictures."""
