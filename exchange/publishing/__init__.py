"""The contracts the hub publishes, made from the models, the adapters' manifests and the SOAP face: pure."""
