import sys, time, random
sys.path.insert(0,'examples/python_api'); sys.path.insert(0,'examples/compare')
import quiet, torch, nni
torch.set_num_threads(1)
from space import CompareSpace
from one_shot import madds_profiler
from nni_dna.data import ImageData
from nni_dna.settings.sections import DataSettings
from nni_dna.retrain import train_classifier, training_batches, accuracy
from nni_dna.retrain.recipes import quick
from nni_dna.lightning import seed_all
from nni_dna.spaces.freezing import freeze
data=ImageData(DataSettings(name='digits',image_size=32,batch_size=32,holdout_per_class=25,augment=sys.argv[3]),0)
widths=eval(sys.argv[1]); epochs=int(sys.argv[2])
seed_all(0)
space=CompareSpace(widths,3,10)
prof=madds_profiler(space, torch.zeros(2,3,32,32))
rng=random.Random(int(sys.argv[4]))
labels=list(space.simplify())
ops=['conv3','conv5','separable3','separable5','skip']
archs=[{l:'skip' for l in labels},{l:'separable3' for l in labels},{l:'conv3' for l in labels},{l:'conv5' for l in labels}]+[{l:rng.choice(ops) for l in labels} for _ in range(int(sys.argv[5]))]
for a in archs:
    t=time.time(); seed_all(0)
    net=freeze(space,a)
    r=quick(epochs=epochs)
    train_classifier(net,10,r,training_batches(data,r),lambda v:None)
    print(round(prof.profile(a)/1e6,2), round(accuracy(net,10,data.test()),4), f'{time.time()-t:.0f}s', ' '.join(o[:1]+o[-1] for o in a.values()), flush=True)
