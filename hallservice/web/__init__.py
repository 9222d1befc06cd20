"""The pages of the hall: the frame every feature's pages stand in."""
