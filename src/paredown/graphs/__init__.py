"""ONNX graphs: what they declare, take and answer, and how much of them goes into 8 bits. No torch."""
