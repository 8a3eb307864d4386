"""Instruction counts of a fixed piece of training: a gate that no busy machine can upset."""
