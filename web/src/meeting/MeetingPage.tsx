import { useStore } from '@nanostores/react';
import { useState } from 'react';
import { useModel, useServices } from '../app/services';
import { Failure } from '../ui/Failure';
import { Loading } from '../ui/Loading';
import { Summary } from './after/Summary';
import { Lobby } from './before/Lobby';
import { Denied, Nowhere, WaitingRoom } from './before/WaitingRoom';
import { CallView } from './inside/CallView';
import { Visit } from './visit';

/** A meeting by its code: before, at the door, inside, after. Guests come in. */
export default function MeetingPage({ code }: { code: string }) {
  const { session } = useServices();
  const state = useStore(session.state);
  // Whether one is a guest must be known first; later changes, such as a log-in in another tab, end no visit.
  const [known, setKnown] = useState(false);
  if (!known && (state.status === 'nobody' || state.status === 'person')) setKnown(true);
  if (known) return <Visitor code={code} />;
  if (state.status === 'failed') return <Failure text={state.problem} onRetry={() => void session.load()} />;
  return <Loading />;
}

function Visitor({ code }: { code: string }) {
  const visit = useModel((services) => new Visit(services, code));
  const phase = useStore(visit.$phase);
  switch (phase.at) {
    case 'lobby':
      return <Lobby visit={visit} />;
    case 'waiting':
      return <WaitingRoom visit={visit} />;
    case 'denied':
      return <Denied visit={visit} />;
    case 'inside':
      return <CallView call={phase.call} />;
    case 'after':
      return <Summary visit={visit} farewell={phase.farewell} />;
    case 'nowhere':
      return <Nowhere problem={phase.problem} />;
  }
}
