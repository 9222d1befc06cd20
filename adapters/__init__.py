"""One folder of data per partner system: manifest, contract, mappings, samples."""
