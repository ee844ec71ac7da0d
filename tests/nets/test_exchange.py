"""Gradients leave in buckets, in one order, while the backward pass still runs."""

import torch
from torch import nn

from sid_sweep.nets.exchange import Exchange, buckets
from sid_sweep.nets.ranks import Ranks


class Echo(Ranks):
    """Two ranks, of which the other has three times this one's gradient: the mean is twice it."""

    sent: list  # sizes of what was sent, in order

    def begin_sum(self, tensor):
        self.sent.append(tensor.numel())

        def wait():
            tensor.mul_(4)

        return wait


def echo():
    ranks = Echo(0, 2)
    object.__setattr__(ranks, "sent", [])
    return ranks


def network():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def test_buckets_go_from_the_last_parameter_to_the_first():
    parameters = [nn.Parameter(torch.zeros(n)) for n in (100, 1, 2, 3, 4)]
    found = buckets(parameters, most_bytes=4 * 6)
    assert [[len(p) for p in bucket] for bucket in found] == [[4], [3, 2, 1], [100]]


def test_means_take_the_place_of_gradients():
    own, x = network(), torch.randn(5, 4)
    expected = torch.autograd.grad(own(x).sum(), list(own.parameters()))
    exchange = Exchange(list(own.parameters()), echo(), most_bytes=100)
    with exchange.during():
        torch.autograd.backward(own(x).sum(), inputs=list(own.parameters()))
    exchange.finish()
    for parameter, gradient in zip(own.parameters(), expected, strict=True):
        assert torch.equal(parameter.grad, 2 * gradient)


def test_the_last_layers_leave_before_the_first_have_a_gradient():
    own, ranks = network(), echo()
    parameters, seen = list(own.parameters()), []
    exchange = Exchange(parameters, ranks, most_bytes=4 * 9)
    hook = parameters[0].register_post_accumulate_grad_hook(lambda p: seen.append(len(ranks.sent)))
    with exchange.during():
        own(torch.randn(5, 4)).sum().backward()
    hook.remove()
    assert seen
    assert seen[0] >= 3  # of five, on the way before the first layer's gradient was there
    assert sum(ranks.sent) == sum(p.numel() for p in parameters)


def test_what_no_loss_reaches_is_sent_as_zero():
    own, ranks = network(), echo()
    spare = nn.Parameter(torch.ones(3))
    exchange = Exchange([*own.parameters(), spare], ranks)
    with exchange.during():
        torch.autograd.backward(own(torch.randn(5, 4)).sum(), inputs=list(own.parameters()))
    assert ranks.sent == []  # the one bucket is not full
    exchange.finish()
    assert len(ranks.sent) == 1
    assert spare.grad.tolist() == [0, 0, 0]
