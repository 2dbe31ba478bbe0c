"""Proximal policy optimisation of agents that share a policy, with flat and recurrent networks and masked actions."""
