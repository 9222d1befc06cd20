"""The approval engine: definitions as block trees, state as a fold over events, pictures, BPMN. Pure."""
