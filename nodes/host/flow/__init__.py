"""People in flow-matching models. Experimental: no real weights have been seen."""
