# SPDX-License-Identifier: Apache-2.0
"""The parts of bench/run: the machine, the watchers, the loads, the figures, the page."""
